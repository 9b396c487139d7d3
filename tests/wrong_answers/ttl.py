# %% my_ttl is a str
my_ttl = "an hour"

# %% ttl is -1
my_ttl = -1

# %% no cache
my_ttl = 0

# %% over the budget
my_ttl = 60

# %% 900 s is the limit
my_ttl = 3600

# %% 900 s is the limit
my_ttl = 901

# %% longer than a month
my_ttl = 10**400

# %% ttl is nan
my_ttl = float("nan")

# %% ttl is inf
my_ttl = float("inf")

# %% my_ttl is a bool
my_ttl = True

# %% my_ttl is a timedelta
my_ttl = timedelta(minutes=15)

# %% my_ttl is a list
my_ttl = [900]


# %% my_ttl is a Between
class Between(float):
    __gt__ = __lt__ = lambda self, other: False


my_ttl = Between(5000)

# %% my_ttl is a function
my_ttl = lambda: 900
