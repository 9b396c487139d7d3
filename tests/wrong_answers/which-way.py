# %% no answer yet
my_choices = {}

# %% no row of the table
my_choices = {"shop": "redis", "reports": "", "thumbnails": ""}

# %% the row after whose rotations none did
my_choices = {
    "shop": "AWS's library",
    "reports": "environment variable",
    "thumbnails": "extension or agent",
}

# %% the program reads a variable
my_choices = {
    "shop": "the pattern",
    "reports": "extension or agent",
    "thumbnails": "extension or agent",
}

# %% the functions are JavaScript
my_choices = {
    "shop": "the pattern",
    "reports": "environment variable",
    "thumbnails": "the pattern",
}

# %% Look at the column of the denial
my_choices = {
    "shop": "the pattern",
    "reports": "environment variable",
    "thumbnails": "mounted file",
}
