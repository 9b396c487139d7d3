# %% the other way round
my_topics = TopicConfigurations.Default.latest().with_max_subscriptions(200).with_client_timeout(timedelta(days=1))

# %% from another one
my_topics = listening.with_max_subscriptions(151).with_client_timeout(timedelta(hours=9))
