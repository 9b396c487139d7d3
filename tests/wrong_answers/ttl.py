# %% That is over the budget of $2.00: choose a longer TTL
my_minutes = 32

# %% divide by 60, and round up
my_minutes = 33 * 60

# %% divide by 60, and round up
my_minutes = 300 * 2_592_000 / 400_000

# %% One minute less costs $1.94
my_minutes = 35

# %% go on until it no longer fits
my_minutes = 60

# %% a whole number of minutes
my_minutes = 300 * 43_200 / 400_000

# %% a whole number of minutes
my_minutes = timedelta(minutes=33)

# %% a whole number of minutes
my_minutes = "33"

# %% a whole number of minutes
my_minutes = -33

# %% over the budget
my_minutes = 0

# %% a whole number of minutes
my_minutes = float("inf")
