# %% a float
my_ttl = 15 * 60.0

# %% within both limits
my_ttl = 600
