"""The errors that a user can cause and mend.

Every message says what is wrong, where, and what to do about it; none holds a DICOM tag's value::

    MedsegError
    ├── ReadError                 a file could not be turned into an image
    │   ├── UnknownFormatError    its bytes are of no format that is read here
    │   ├── DamagedFileError      it is empty, truncated or contradicts itself
    │   ├── UnsupportedImageError it is intact, but holds nothing that can be segmented
    │   └── ImageTooLargeError    it exceeds a limit of the settings
    ├── CheckpointError           a checkpoint could not be used
    │   ├── UnknownCheckpointError  no checkpoint has that name
    │   └── InvalidCheckpointError  its card, configuration and weights do not fit together
    ├── InputMismatchError        the image cannot be given to this checkpoint
    │   └── DeviceMemoryError     the memory of the device does not suffice for it
    ├── PromptError               clicks, a box or scribbles say nothing, or lie outside the image
    ├── OptionError               an argument or a setting has a value that is not allowed
    ├── OutputError               a result could not be written
    ├── EditError                 a correction by hand cannot be applied
    │   └── EditConflict            what is corrected is another label map by now
    ├── TestSetError              a test-set folder has faults; all of them are listed
    └── TrainingError             training cannot start or go on
"""

from collections.abc import Iterable


class MedsegError(Exception):
    """Base of all errors that are shown to the user as they are."""


class ReadError(MedsegError):
    """A file could not be turned into an image."""


class UnknownFormatError(ReadError):
    """The bytes of a file are of no format that is read here."""


class DamagedFileError(ReadError):
    """A file is empty, truncated or contradicts itself."""


class UnsupportedImageError(ReadError):
    """A file is intact, but holds nothing that can be segmented."""


class ImageTooLargeError(ReadError):
    """An image exceeds a limit of the settings."""


class CheckpointError(MedsegError):
    """A checkpoint could not be used."""


class UnknownCheckpointError(CheckpointError):
    """No checkpoint has the name that was asked for."""


class InvalidCheckpointError(CheckpointError):
    """A checkpoint's card, configuration and weights do not fit together."""


class InputMismatchError(MedsegError):
    """An image cannot be given to the chosen checkpoint."""


class DeviceMemoryError(InputMismatchError):
    """The memory of the device does not suffice for an image and a checkpoint; another try may succeed."""


class PromptError(MedsegError):
    """Clicks, a box or scribbles say nothing of an object, or lie outside the image."""


class OptionError(MedsegError):
    """An argument or a setting has a value that is not allowed."""


class OutputError(MedsegError):
    """A result could not be written."""


class EditError(MedsegError):
    """A correction by hand cannot be applied."""


class EditConflict(EditError):  # noqa: N818 (another answer than an error's)
    """What is corrected is another label map by now: it was edited elsewhere, or replaced."""


class TestSetError(MedsegError):
    """A test-set folder has faults.

    Attributes:
        faults: One sentence for each fault, in the order they were found.
    """

    __test__ = False  # pytest would take the name for a test class

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


class TrainingError(MedsegError):
    """Training cannot start or go on."""
