# %% There is no answer yet
my_choice = None

# %% is no row of the table
my_choice = "redis"

# %% is no row of the table
my_choice = "cachetools, dogpile"

# %% the column of the cold threads
my_choice = "powertools"

# %% the column of the cold threads
my_choice = "functools"

# %% the column of the cold threads
my_choice = "New Client"

# %% the column Revocation
my_choice = "dogpile"

# %% the column Revocation
my_choice = "aws-secretsmanager-caching"

# %% There is no answer yet
my_choice = ["cachetools"]

# %% There is no answer yet
my_choice = 5

# %% There is no answer yet
my_choice = lambda: "cachetools"


# %% is no row of the table
class Always(str):
    __eq__ = lambda self, other: True
    __hash__ = str.__hash__
    casefold = lambda self: "cachetools"
    strip = lambda self: self


my_choice = Always("anything")
