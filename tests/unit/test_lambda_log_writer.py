"""The thread that writes functions' log lines outlives whatever a write meets."""

from localcloud.services.lambda_.execution.logs import LogWriter, Stream

STREAM = Stream("123456789012", "eu-west-1", "/aws/lambda/hello-staging", "stream")


class BrokenCloud:
    def __init__(self):
        self.asked = 0

    def serialised(self, _service):
        self.asked += 1
        raise KeyError("a subscription's stream is gone")


def test_a_write_that_fails_in_any_way_loses_its_lines_and_no_others(capfd):
    cloud = BrokenCloud()
    writer = LogWriter(cloud)
    for number in (1, 2):
        writer.put(STREAM, "line")
        writer.flush(60)
        assert cloud.asked == number
    assert capfd.readouterr().out.count("log lines of /aws/lambda/hello-staging are lost: KeyError") == 2
