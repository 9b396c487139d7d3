# %% with capitals and white space
my_choice = " CacheTools\n"

# %% looked up
my_choice = next(one.name for one in results[3:] if one.calls_of_many == one.cold_calls and one.stops)
