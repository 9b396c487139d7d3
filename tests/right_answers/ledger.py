# %% with white space
my_answer = " DescribeSecret\n"

# %% the call itself, taken from the ledger
my_answer = cached.calls[0]

# %% as boto3's method is spelled
my_answer = "describe_secret()"
