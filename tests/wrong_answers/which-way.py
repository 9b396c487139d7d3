# %% no answer yet
my_choices = {}

# %% `my_choices` is no dictionary
my_choices = ["the pattern", "environment variable", "extension or agent"]

# %% 'an agent' is no row of the table
my_choices = {"shop": "the pattern", "reports": "environment variable", "thumbnails": "an agent"}

# %% the row in which no rotation hurt
my_choices = {"shop": "AWS's library", "reports": "", "thumbnails": ""}

# %% it reads a variable
my_choices = {"shop": "the pattern", "reports": "extension or agent", "thumbnails": ""}

# %% a row that stops when denied
my_choices = {"shop": "the pattern", "reports": "environment variable", "thumbnails": "mounted file"}

# %% isn't there for JavaScript
my_choices = {"shop": "the pattern", "reports": "environment variable", "thumbnails": "the pattern"}
