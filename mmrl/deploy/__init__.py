"""Policies on robots: readings pushed at their own rates, actions at the rate of the policy. No simulator, no torch."""

from mmrl.deploy.policy import ActingPolicy, ReadyPolicy, load
from mmrl.deploy.report import Ages, RunReport
from mmrl.deploy.runner import NotRunnable, Runner

__all__ = ["ActingPolicy", "Ages", "NotRunnable", "ReadyPolicy", "RunReport", "Runner", "load"]
