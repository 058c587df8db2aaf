"""Settings: what they may be, whether they are, and what is known of a run from them."""

from jaxglass.config.check import check_config
from jaxglass.config.schema import CUTOFF_STYLES, FREE_FORM, RULES, SPECIAL, SWEPT_TASKS
from jaxglass.config.settings import ANALYSES, Config, conf_folder

__all__ = [
    "ANALYSES",
    "CUTOFF_STYLES",
    "FREE_FORM",
    "RULES",
    "SPECIAL",
    "SWEPT_TASKS",
    "Config",
    "check_config",
    "conf_folder",
]
