"""Settings of a paper session."""

from typing import Literal

from pydantic import SecretStr

from feeds.section import Section


class PaperConfig(Section):
    """How bars are confirmed, and who is told what happens.

    `confirm` asks the exchange's history for every bar, or only for those that are in doubt. Events
    are sent to `webhook` as JSON. `dashboard_token` is asked for by a dashboard that is not on
    loopback. Both are secrets: they are never shown, and no file of a run or a session has them.
    """

    confirm: Literal["always", "doubt"] = "always"
    webhook: SecretStr | None = None
    dashboard_token: SecretStr | None = None
