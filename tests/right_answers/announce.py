# %% the file in one class, as a service has it
from momento import TopicClient, TopicConfigurations


class News:
    def __init__(self):
        self.topics = MomentoClient(SECRET_NAME, self.new_client, ttl=300)

    @staticmethod
    def new_client(token):
        return TopicClient(TopicConfigurations.Default.v1(), cloud.credentials_from(token))

    def __call__(self, text):
        response = self.topics.call(lambda client: client.publish(CACHE_NAME, "news", text))
        return checked(response)


announce = News()

# %% without the file: a client made at the first call, and again when it is denied
from momento import TopicClient, TopicConfigurations

from momento.errors import AuthenticationException

held = []


def publish(text):
    if not held:
        credentials = cloud.credentials_from(get_token(sm))
        held.append(TopicClient(TopicConfigurations.Default.latest(), credentials))
    return checked(held[0].publish(CACHE_NAME, "news", text))


def announce(text):
    try:
        return publish(text)
    except AuthenticationException:
        held.clear()
        return publish(text)


# %% checked by hand, with an error of its own
from momento import TopicClient, TopicConfigurations

from momento.responses import TopicPublish


def new_topic_client(token):
    configuration = TopicConfigurations.Default.latest().with_client_timeout(timedelta(seconds=2))
    return TopicClient(configuration, cloud.credentials_from(token))


topics = MomentoClient(SECRET_NAME, new_topic_client)


def announce(text):
    match topics.call(lambda client: client.publish(CACHE_NAME, topic_name="news", value=text)):
        case TopicPublish.Success() as response:
            return response
        case TopicPublish.Error() as response:
            raise RuntimeError(f"Momento did not publish: {response.error_code.name}")
