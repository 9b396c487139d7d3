# %% There is no answer yet
my_choice = None

# %% is no row of the table
my_choice = "redis"

# %% the column of the cold threads
my_choice = "powertools"

# %% the column Revocation
my_choice = "aws-secretsmanager-caching"
