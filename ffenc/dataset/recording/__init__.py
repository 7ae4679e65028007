"""Record a dataset: ``recorder`` has the public class, ``options`` its options.

<<<<<<< HEAD
``open_episode`` and ``rows`` keep the episode that is being recorded.  ``append_queue``, ``append_episode`` and ``commit``
append it to the dataset.  ``recover_episode`` restores what a crash left; ``episode_directory`` knows where all of it is on disk.
=======
``open_episode`` and ``rows`` keep the open episode.  ``append_queue``, ``append_episode`` and ``commit`` append it
to the dataset.  ``recover_episode`` restores what a crash left; ``episode_directory`` knows where all of it is on disk.
>>>>>>> b467321 (Restore each camera of an interrupted episode on its own, and keep the parts of one apart from another's)
``resume_settings`` chooses the encoder settings, and ``live_recording`` paces an episode from live cameras.
"""
