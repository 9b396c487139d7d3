# %% no Config of botocore
my_config = 3

# %% no Config of botocore
my_config = {"read_timeout": 0.5}

# %% no Config of botocore
my_config = Config

# %% The deadline is 3 s
my_config = Config(read_timeout=1, connect_timeout=1)

# %% The deadline is 3 s
my_config = Config(read_timeout=0.5, connect_timeout=60)

# %% allow a second attempt
my_config = PATIENT.merge(ONCE)

# %% wait longer for it
my_config = Config(read_timeout=0.1, connect_timeout=0.1, retries={"total_max_attempts": 2})

# %% pauses of up to 0.05 s and 0.1 s
my_config = Config(read_timeout=0.5, connect_timeout=0.6, retries={"total_max_attempts": 3})

# %% pauses of up to 1 s and 2 s
my_config = Config(read_timeout=0.3, connect_timeout=0.3, retries={"mode": "legacy", "total_max_attempts": 3})

# %% the longest wait is inf s
my_config = Config(read_timeout=None, connect_timeout=1)

# %% the longest wait is inf s
my_config = Config(connect_timeout=None, read_timeout=1)

# %% A timeout is no number of seconds
my_config = Config(read_timeout="1", connect_timeout=1)

# %% A timeout is no number of seconds
my_config = Config(read_timeout=-1, connect_timeout=1)

# %% A timeout is no number of seconds
my_config = Config(read_timeout=0, connect_timeout=1)

# %% Set timeouts and retries only
my_config = Config(
    read_timeout=0.5,
    connect_timeout=0.5,
    region_name="eu-west-1",
    retries={"total_max_attempts": 2},
)

# %% Set timeouts and retries only
from botocore import UNSIGNED

my_config = Config(
    read_timeout=0.5,
    connect_timeout=0.5,
    signature_version=UNSIGNED,
    retries={"total_max_attempts": 2},
)

# %% The deadline is 3 s
my_config = Config(read_timeout=0.3, connect_timeout=0.3, retries={"total_max_attempts": 50})
