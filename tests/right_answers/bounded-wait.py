# %% the default attempts, as short as the task allows
my_config = Config(connect_timeout=0.2, read_timeout=0.6)

# %% attempts after the first, as the older setting has it
my_config = Config(connect_timeout=0.5, read_timeout=0.5, retries={"max_attempts": 1, "mode": "legacy"})
