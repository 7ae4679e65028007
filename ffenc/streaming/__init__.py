"""Record many cameras in time steps, with a queue, a thread and an encoder for each camera.

``encoder`` has the public class.  ``episode`` decides which time steps count; ``queueing`` passes frames to the threads of
``camera``; ``frame_target`` and the modules ``target``, ``spool`` and ``images`` write them.  ``opening`` makes cameras.
``drop_log`` and ``reports`` describe an episode and its progress.  ``parts`` names the files of a camera.
"""
