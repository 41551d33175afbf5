"""Files, folders and zips → studies: what is read as one image. A zip is unpacked under limits, into a folder of its own."""

import os
import shutil
import stat
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from medseg_demo import names
from medseg_demo.errors import DamagedFileError, ImageTooLargeError, ReadError, UnsupportedImageError
from medseg_demo.image import MedicalImage
from medseg_demo.reading import itk, nifti
from medseg_demo.reading.dicom.file import is_media_directory
from medseg_demo.reading.dicom.series import Series, group_slices, number_names, read_series
from medseg_demo.reading.dicom.slice_headers import SliceHeader, parse_slice
from medseg_demo.reading.formats import Choice, Found, decode, find_format, inspect
from medseg_demo.reading.intensities import to_image
from medseg_demo.reading.source import MIB, Source, open_source
from medseg_demo.settings import Settings
