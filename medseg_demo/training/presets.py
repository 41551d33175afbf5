"""What is varied in images of a kind of modality: the values that ``augmentation: {preset: …}`` starts from.

They are ours, from what differs between two images of one kind: position of the patient, machine, stain, lamp. A key
beside ``preset`` goes before it. Everything that is not named here keeps the default of ``config_parts.Augmentation``.
"""

from collections.abc import Mapping
from typing import Literal

Preset = Literal["xray", "mri", "ct", "ultrasound", "microscopy", "fundus"]

PRESETS: Mapping[str, Mapping[str, float | tuple[float, float]]] = {
    "xray": {
        "flip_horizontal": 0.0,  # the heart lies on the left, and side markers are read
        "rotate_degrees": 10.0,  # patients stand or lie a little askew
        "scale": 0.15,  # distance to the detector, size of the patient
        "gamma": (0.6, 1.7),  # each maker has its own curve from exposure to grey
        "contrast": 0.25,  # tube voltage and scatter
    },
    "mri": {
        "flip_horizontal": 0.5,  # left and right are nearly alike; set 0 where a class has a side
        "rotate_degrees": 15.0,  # planes are planned by hand
        "gamma": (0.7, 1.5),  # grey has no unit, and differs by sequence and scanner
        "contrast": 0.3,  # likewise
        "histogram": 0.2,  # tissues change their order a little with echo and repetition time
        "noise": 0.3,  # field strength and parallel imaging
    },
    "ct": {
        "flip_horizontal": 0.0,  # liver and spleen have their side
        "rotate_degrees": 10.0,  # the table keeps patients straight
        "gamma": (0.9, 1.1),  # Hounsfield units are calibrated
        "brightness": 0.1,  # likewise; contrast agent is what remains
        "contrast": 0.1,  # likewise
        "noise": 0.3,  # dose and kernel
        "noise_std": 0.15,  # likewise
    },
    "ultrasound": {
        "flip_horizontal": 0.5,  # the probe is turned by 180 degrees as often as not
        "rotate_degrees": 10.0,  # depth runs downwards, so that up and down are never mirrored
        "translate": 0.1,  # the probe is moved by hand
        "gamma": (0.6, 1.7),  # gain and compression are set by whoever examines
        "contrast": 0.3,  # likewise
        "brightness": 0.3,  # likewise
        "blur": 0.2,  # focus and frequency
    },
    "microscopy": {
        "flip_horizontal": 0.5,  # a slide has no up and no side
        "flip_vertical": 0.5,  # likewise
        "quarter_turns": 0.5,  # likewise
        "rotate_degrees": 45.0,  # likewise, what quarter turns leave open
        "scale": 0.2,  # cells differ in size, lenses in magnification
        "colour": 0.15,  # amount of stain and white balance
        "mix": 0.1,  # hue of the stain
        "blur": 0.3,  # focus
        "blur_sigma": (0.5, 1.5),  # likewise
    },
    "fundus": {
        "flip_horizontal": 0.5,  # left and right eye mirror each other
        "flip_vertical": 0.5,  # vessels branch alike above and below; set 0 where the fovea's place counts
        "rotate_degrees": 30.0,  # the head tilts
        "colour": 0.15,  # lamp, lens and pigment
        "gamma": (0.7, 1.5),  # flash and pupil
        "blur": 0.2,  # cataract and focus
    },
}
