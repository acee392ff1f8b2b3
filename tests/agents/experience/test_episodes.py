from mmrl_agents.experience.episodes import Episode, EpisodeStatistics


def episode(total_reward: float) -> Episode:
    return Episode(total_reward, 10, success=None, success_once=None, peak_force_n=None, physics_error=False)


def test_means_over_the_newest_episodes_come_once_there_are_enough() -> None:
    statistics = EpisodeStatistics(window=200)
    for number in range(19):
        statistics.add(episode(number))
    assert {"mean_return_20", "mean_return_100"}.isdisjoint(statistics.metrics())
    for number in range(19, 300):
        statistics.add(episode(number))
    metrics = statistics.metrics()
    assert "success_rate" not in metrics
    # the last 20 are 280..299, the last 100 are 200..299, the window holds 100..299
    assert (metrics["mean_return_20"], metrics["mean_return_100"], metrics["mean_return"]) == (289.5, 249.5, 199.5)
    assert statistics.mean_of_newest(2) == 298.5
    assert metrics["episodes"] == 300
