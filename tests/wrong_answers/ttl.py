# %% over the budget
my_ttl = 60

# %% my_ttl is a timedelta
my_ttl = timedelta(minutes=15)

# %% choose 900 s at most
my_ttl = 3600

# %% over the budget
my_ttl = 0

# %% ttl is -1
my_ttl = -1
