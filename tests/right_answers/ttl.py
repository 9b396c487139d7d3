# %% reckoned
my_ttl = 15 * 60

# %% a float
my_ttl = 900.0

# %% within both limits
my_ttl = 600
