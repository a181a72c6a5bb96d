"""Why a training cannot be done or must not be shipped. The messages are for whoever asked for it.

TrainingError
├── NotEnoughDataError   too few events to fit and to judge
├── EventsFileError      a file of events that cannot be read
├── PlanError            an unknown model or hyper-parameter, or a value of the wrong kind or out of range
├── DivergedError        the loss is no number any more
└── ExportError          the exported graph does not answer as the network does
"""

from __future__ import annotations


class TrainingError(Exception):
    """A training that ends without a version; `str(error)` says why and is safe to show."""


class NotEnoughDataError(TrainingError):
    """There are too few events to fit and to judge a model; the message says what is missing."""


class EventsFileError(TrainingError):
    """A file of events that is not there, or not of the form; the message says what is missing."""


class PlanError(TrainingError, ValueError):
    """The model or a hyper-parameter is unknown, or a value is of the wrong kind or out of range."""


class DivergedError(TrainingError):
    """The loss is not finite any more."""


class ExportError(TrainingError):
    """The exported graph does not answer as the network does; the message says how far apart they are."""
