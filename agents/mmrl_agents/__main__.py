"""`python -m mmrl_agents` is the command `mmrl`."""

import sys

from mmrl_agents.cli import main

sys.exit(main())
