"""The errors of an evaluation: its cases, and stored and imported results.

They stand below the project's own tree::

MedsegError
├── CaseError               one case could not be scored; the others can
│   └── PassingCaseError      for a reason that is not in its files; another try may succeed
├── ClusterError            the cluster that a run was to use cannot be used
└── ResultsError            results could not be used
    ├── DamagedResultsError   a store, a table or a description is truncated or contradicts itself
    ├── ResultsInUseError     another run is writing to the same folder
    └── UnknownLayoutError    a file to import has a layout that is not known here
"""

from medseg_demo.errors import MedsegError


class CaseError(MedsegError):
    """One case could not be scored; the others can."""


class PassingCaseError(CaseError):
    """One case could not be scored for a reason that is not in its files, such as want of memory; try it again."""


class ClusterError(MedsegError):
    """The cluster that a run was to use cannot be used."""


class ResultsError(MedsegError):
    """Stored or imported results could not be used."""


class DamagedResultsError(ResultsError):
    """A results file is truncated, or contradicts itself."""


class ResultsInUseError(ResultsError):
    """Another run is writing to the same folder."""


class UnknownLayoutError(ResultsError):
    """A file to import has a layout that is not known here."""
