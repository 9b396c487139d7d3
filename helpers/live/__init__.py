"""Going live: what is missing, what it costs at most, and what was created in your accounts."""

from .account import check_live, cost_table, policy_to_paste
from .resources import Resources
