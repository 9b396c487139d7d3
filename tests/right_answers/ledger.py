# %% with white space
my_answer = " DescribeSecret\n"

# %% taken from the ledger
my_answer = cached.calls[0].operation
