"""Checks of the exercises, a file for each notebook. They run what the learner made, and answer with the hint for the
mistake they find.

An unsolved exercise says "Not yet" and never raises, so that a notebook always runs to its end.
"""

from .cache_it_on_the_client import check_reader
from .contest_of_all_ways import check_choice, check_single_flight
from .count_the_cost import check_ttl
from .create_the_secret import check_stored_token
from .fix_a_service import check_service
from .go_live import check_find_ours
from .guess import reveal
from .learner_record import raise_hand
from .let_only_the_right_identity_read_it import check_policy
from .other_regions_and_accounts import check_two_readers
from .other_ways_to_deliver_a_token import check_choices
from .put_it_in_a_service import check_workers
from .retrieve_it_naively import check_reads_per_request
from .reuse_your_clients import check_announce
from .rotate_without_downtime import check_roll_back, check_survives_rotation
from .start_here import check_first_call
from .survive_failures import check_stale_rule, check_timeouts
from .topics_in_depth import check_listeners
from .where_tokens_leak import check_leaks_nowhere
from .your_own_code import find_mistakes
