# %% There is no answer yet
my_choice = None

# %% is no row of the table
my_choice = "redis"

# %% the column of the 32 threads
my_choice = "powertools"

# %% the last column of the second table
my_choice = "aws-secretsmanager-caching"
