"""The trading world: its rules, its market and its Gymnasium environments.

Importing it after ``gymnasium`` registers the environments' ids; gymnasium 1.x asks this of every
package outside its own, and importing ``envs.core`` alone must not load gymnasium.
"""

import sys

if "gymnasium" in sys.modules:
    from envs.registration import register

    register()
