"""What the entry points are given: every use case, built by `bootstrap.py`, faked by tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.services.catalogue import Catalogue
    from app.services.experiments import Experiments
    from app.services.exposures import Exposures
    from app.services.health import Health
    from app.services.ingest import Ingest
    from app.services.jobs import Jobs
    from app.services.keys import Keys
    from app.services.models import ModelRegistry
    from app.services.online import Online
    from app.services.quotas import Quotas
    from app.services.recommend import Recommend
    from app.services.steering_admin import SteeringAdmin
    from app.services.trials import Trials
    from app.services.users import Users


@dataclass(frozen=True, slots=True)
class Services:
    """One tenant's use cases."""

    catalogue: Catalogue
    experiments: Experiments
    exposures: Exposures
    health: Health
    ingest: Ingest
    jobs: Jobs
    keys: Keys
    models: ModelRegistry
    online: Online
    quotas: Quotas
    recommend: Recommend
    steering: SteeringAdmin
    trials: Trials
    users: Users
