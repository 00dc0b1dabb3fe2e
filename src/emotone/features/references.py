"""Where the measures of ``functionals`` come from: short name to full reference."""

from __future__ import annotations

__all__ = ["REFERENCES"]

REFERENCES = {
    "Arsigny et al. 2006": "V. Arsigny, P. Fillard, X. Pennec, N. Ayache, Log-Euclidean metrics for fast and simple "
    "calculus on diffusion tensors. Magnetic Resonance in Medicine 56, 411-421.",
    "Boersma 1993": "P. Boersma, Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise "
    "ratio of a sampled sound. IFA Proceedings 17, 97-110.",
    "Davis & Mermelstein 1980": "S. Davis, P. Mermelstein, Comparison of parametric representations for monosyllabic "
    "word recognition in continuously spoken sentences. IEEE Trans. Acoustics, Speech, and Signal Processing 28, "
    "357-366.",
    "de Jong & Wempe 2009": "N. H. de Jong, T. Wempe, Praat script to detect syllable nuclei and measure speech rate "
    "automatically. Behavior Research Methods 41, 385-390.",
    "Eyben et al. 2016": "F. Eyben and others, The Geneva Minimalistic Acoustic Parameter Set (GeMAPS) for voice "
    "research and affective computing. IEEE Trans. Affective Computing 7, 190-202.",
    "Furui 1986": "S. Furui, Speaker-independent isolated word recognition using dynamic features of speech spectrum. "
    "IEEE Trans. Acoustics, Speech, and Signal Processing 34, 52-59.",
    "Hammarberg et al. 1980": "B. Hammarberg, B. Fritzell, J. Gauffin, J. Sundberg, L. Wedin, Perceptual and acoustic "
    "correlates of abnormal voice qualities. Acta Oto-Laryngologica 90, 441-451.",
    "Hanson 1997": "H. M. Hanson, Glottal characteristics of female speakers: acoustic correlates. J. Acoustical "
    "Society of America 101, 466-481.",
    "Hillenbrand et al. 1994": "J. Hillenbrand, R. A. Cleveland, R. L. Erickson, Acoustic correlates of breathy vocal "
    "quality. J. Speech and Hearing Research 37, 769-778.",
    "Horii 1980": "Y. Horii, Vocal shimmer in sustained phonation. J. Speech and Hearing Research 23, 202-209.",
    "Houtgast & Steeneken 1985": "T. Houtgast, H. J. M. Steeneken, A review of the MTF concept in room acoustics and "
    "its use for estimating speech intelligibility in auditoria. J. Acoustical Society of America 77, 1069-1077.",
    "ITU-T G.100.1": "Recommendation ITU-T G.100.1 (2015), The use of the decibel and of relative levels in speechband "
    "telecommunications: 0 dBov is the power of a full-scale square wave, a full-scale sine has -3.01 dBov.",
    "Johnston 1988": "J. D. Johnston, Transform coding of audio signals using perceptual noise criteria. IEEE J. "
    "Selected Areas in Communications 6, 314-323.",
    "Kedem 1986": "B. Kedem, Spectral analysis and discrimination by zero-crossings. Proc. IEEE 74, 1477-1493.",
    "Klapuri 1999": "A. Klapuri, Sound onset detection by applying psychoacoustic knowledge. Proc. ICASSP, 3089-3092.",
    "Lieberman 1961": "P. Lieberman, Perturbations in vocal pitch. J. Acoustical Society of America 33, 597-603.",
    "Misra et al. 2004": "H. Misra, S. Ikbal, H. Bourlard, H. Hermansky, Spectral entropy based feature for robust "
    "ASR. Proc. ICASSP, I-193-196.",
    "Peeters 2004": "G. Peeters, A large set of audio features for sound description (similarity and classification) "
    "in the CUIDADO project. Ircam.",
    "Scheirer & Slaney 1997": "E. Scheirer, M. Slaney, Construction and evaluation of a robust multifeature "
    "speech/music discriminator. Proc. ICASSP, 1331-1334.",
    "Shue et al. 2011": "Y.-L. Shue, P. Keating, C. Vicenik, K. Yu, VoiceSauce: a program for voice analysis. Proc. "
    "17th International Congress of Phonetic Sciences, 1846-1849.",
    "Tamarit et al. 2008": "L. Tamarit, M. Goudbeek, K. R. Scherer, Spectral slope measurements in emotionally "
    "expressive speech. Proc. ISCA Workshop on Speech Analysis and Processing for Knowledge Discovery, Aalborg.",
    "Wu et al. 2011": "S. Wu, T. H. Falk, W.-Y. Chan, Automatic speech emotion recognition using modulation spectral "
    "features. Speech Communication 53, 768-785.",
}
