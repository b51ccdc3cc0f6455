// Written by `python -m training.web` from the Python modules of these names: change them there.
export default {
  "buffers": {
    "KEPT_BYTES": 100663296
  },
  "exposure": {
    "BRIGHT": 200,
    "LIGHTS": 0.02,
    "MAX_GAIN": 25.0,
    "STEP": 4
  },
  "letterbox": {
    "PADDING": 114
  },
  "pixel_format": {
    "MAX_SIDE": 32766,
    "KR": 0.299,
    "KB": 0.114,
    "Y_GAIN": 1.1643835616438356,
    "C_GAIN": 1.1383928571428572,
    "V_RED": 1.596026785714286,
    "U_BLUE": 2.017232142857143,
    "GAINS": [
      [
        1.1643835616438356,
        2.017232142857143,
        0.0
      ],
      [
        1.1643835616438356,
        -0.3917622900949136,
        -0.8129676472377708
      ],
      [
        1.1643835616438356,
        0.0,
        1.596026785714286
      ]
    ],
    "YUV_TO_BGR": [
      [
        1.1643835616438356,
        2.017232142857143,
        0.0,
        -276.83585127201565
      ],
      [
        1.1643835616438356,
        -0.3917622900949136,
        -0.8129676472377708,
        135.57529499228224
      ],
      [
        1.1643835616438356,
        0.0,
        1.596026785714286,
        -222.92156555773
      ]
    ]
  },
  "likely_layout": {
    "STEP_ALIGNMENTS": [
      4,
      8,
      16,
      32,
      64,
      128,
      256,
      512
    ],
    "HEIGHT_ALIGNMENTS": [
      2,
      4,
      8,
      16,
      32,
      64
    ],
    "MOST_NAMED": 2
  },
  "regions": {
    "MARGIN": 0.15,
    "MAX_REGIONS": 8,
    "MAX_STRETCH": 1.5,
    "MERGE_OVERLAP": 0.3,
    "MERGE_INSIDE": 0.7,
    "MAX_MERGED_ASPECT": 2.5,
    "CUT": 0.1
  },
  "detections": {
    "NMS_IOU": 0.6,
    "SAME_PERSON": 0.6,
    "MAX_PERSONS": 32,
    "LOG_RANGE": [
      -6.0,
      3.0
    ],
    "MIN_CELL_SCORE": 0.1,
    "SUPPORT_WEIGHT": 0.3,
    "CERTAIN_SCORE": 0.5,
    "SUPPORT_QUANTILE": 0.8,
    "MIN_SIDE": 2.0
  },
  "acceptance": {
    "MIN_COVERAGE": 0.2,
    "KEPT_SCORE": 0.6,
    "WEAK_SCORE": 0.6,
    "MARKED": 128
  },
  "mask": {
    "CERTAIN": 0.05,
    "MAX_BLUR_SIGMA": 1000.0,
    "DIRECT_SIGMA": 4.0
  },
  "refine": {
    "HALVED": 256,
    "RADIUS": 1,
    "REACH": 6,
    "EPSILON": 200.0,
    "GRAIN": 4.0,
    "HAZE": 16.0
  },
  "temporal": {
    "STEADY": 0.03,
    "STEADY_GAIN": 0.35,
    "GRAIN": 5,
    "LEFT_IN_MEANS": 0.25,
    "SETTLED": 2,
    "QUIET": 2.0,
    "MOVING": 4.0,
    "QUIET_LEVELS": 3.5,
    "MOVING_LEVELS": 9.0,
    "REACH": 3,
    "SIDE": 256
  },
  "motion": {
    "GRID": [
      18,
      24
    ],
    "CELL_SAMPLES": 4,
    "CUT_LEVELS": 16,
    "CUT_SHARE": 0.4,
    "STIR_LEVELS": 6,
    "STIR_NOISE": 8,
    "STIR_CELLS": 2,
    "SIDE_CELLS": 2,
    "CHANGED": 0.3,
    "STILL_FRAMES": 10
  },
  "stream": {
    "CHECK_EVERY": 5,
    "EMPTY_CHECK_EVERY": 3,
    "FORGIVEN_CHECKS": 3,
    "STIR_CHECKS": 8,
    "SIDE_CHECKS": 8,
    "CELLS": 64,
    "SPECK": 0.05,
    "MIN_FILL": 0.01,
    "SHRUNK": 0.6,
    "TIGHT": 0.05,
    "LOOSE": 0.6,
    "SAME": 0.5
  },
  "spec": {
    "MODELS": [
      "accurate",
      "fast"
    ],
    "DETECTOR": "person_detector",
    "SEGMENTER": "person_segmenter",
    "SEPARATOR": "person_separator",
    "SEPARATOR_CHANNELS": 5,
    "MAX_UNIT": 1000000.0
  },
  "engine": {
    "DEFAULT_BLUR_SIGMA": 0.5
  },
  "options": {
    "MAX_THREADS": 256,
    "MAX_PIXELS": 100000000
  },
  "types": {
    "ImageType": {
      "BGR_888": 0,
      "RGB_888": 1,
      "YUV_420_888": 2,
      "RGBA_8888": 3,
      "BGRA_8888": 4,
      "NV12": 5,
      "I420": 6
    },
    "CHANNELS": {
      "BGR_888": 3,
      "RGB_888": 3,
      "YUV_420_888": 1,
      "RGBA_8888": 4,
      "BGRA_8888": 4,
      "NV12": 1,
      "I420": 1
    }
  }
};
