# %% the standard mode, by its name
my_config = Config(connect_timeout=0.3, read_timeout=0.6, retries={"mode": "standard"})

# %% attempts after the first, as the older setting has it
my_config = Config(connect_timeout=0.5, read_timeout=0.5, retries={"max_attempts": 1})

# %% put together
my_config = Config(read_timeout=0.7).merge(
    Config(connect_timeout=0.2, retries={"total_max_attempts": 3, "mode": "standard"})
)
