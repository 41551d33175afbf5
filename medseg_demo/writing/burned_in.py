"""Whether text is burned into the pixels of an image, which no removal of headers takes away."""

from medseg_demo.image import MedicalImage


def burned_in_warnings(image: MedicalImage) -> tuple[str, ...]:
    """What speaks for text in the pixels."""
    from medseg_demo.segmenting.fit import BURNED_IN

    return (BURNED_IN,) if image.has_burned_in_text else ()
