# %% my_topics is a
my_topics = configuration

# %% my_topics is a NoneType
my_topics = None

# %% my_topics is a type
my_topics = TopicConfigurations.Default

# %% my_topics is a TopicClient
my_topics = TopicClient(listening, credentials)

# %% silent after 0:00:05
my_topics = TopicConfigurations.Default.v1()

# %% silent after 1:00:00
my_topics = listening

# %% silent after 1:00:00
my_topics = listening.with_max_subscriptions(150)

# %% silent after 7:59:59
my_topics = listening.with_client_timeout(timedelta(seconds=8 * 3600 - 1))

# %% took 100 of 150 subscriptions
my_topics = listening.with_client_timeout(timedelta(hours=8))

# %% took 100 of 150 subscriptions
my_topics = listening.with_client_timeout(timedelta(hours=8)).with_max_subscriptions(1)

# %% takes a whole number
my_topics = listening.with_client_timeout(timedelta(hours=8)).with_max_subscriptions("150")

# %% open 1,000 channels
my_topics = listening.with_client_timeout(timedelta(hours=8)).with_max_subscriptions(100_000)
