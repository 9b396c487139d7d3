# %% no answer yet
my_choices = {}

# %% a row after whose rotations none did
my_choices = {"shop": "AWS's library", "reports": "", "thumbnails": ""}

# %% it reads a variable
my_choices = {"shop": "the pattern", "reports": "extension or agent", "thumbnails": ""}

# %% Look in the column of the denial
my_choices = {"shop": "the pattern", "reports": "environment variable", "thumbnails": "mounted file"}
