# %% no Config of botocore
my_config = {"read_timeout": 0.5, "connect_timeout": 0.5}

# %% The deadline is 3 s
my_config = Config(read_timeout=0.5)

# %% The deadline is 3 s
my_config = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2})

# %% The deadline is 3 s
my_config = Config(connect_timeout=0.5, read_timeout=0.5)

# %% Up to 2 attempts (mode standard): with no response, the longest wait is 4.05 s.
my_config = Config(connect_timeout=1, read_timeout=1, retries={"mode": "standard", "total_max_attempts": 2})

# %% 1 attempt (mode standard)
my_config = Config(retries={"total_max_attempts": 1})

# %% wait longer for both
my_config = Config(read_timeout=1, connect_timeout=0.001, retries={"total_max_attempts": 2})

# %% wait longer for both
my_config = Config(read_timeout=0.1, connect_timeout=0.5, retries={"total_max_attempts": 2})

# %% allow a second attempt
my_config = Config(connect_timeout=0.5, read_timeout=0.5, retries={"total_max_attempts": 1})

# %% allow a second attempt
my_config = Config(connect_timeout=1, read_timeout=1, retries={"max_attempts": 0})

# %% Set timeouts, in seconds above 0
my_config = Config(connect_timeout=0, read_timeout=1)
