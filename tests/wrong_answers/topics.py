# %% my_topics is a type
my_topics = TopicConfigurations.Default

# %% silent after 1:00:00
my_topics = listening.with_max_subscriptions(150)

# %% took 100 of 150 subscriptions
my_topics = listening.with_client_timeout(timedelta(hours=8))

# %% no more than you need
my_topics = listening.with_client_timeout(timedelta(hours=8)).with_max_subscriptions(100_000)
