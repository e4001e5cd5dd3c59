"""What set-up, demo and tests share: finding, starting and stopping the parts that Smart Dairy IoT runs on.

Standard library only: it runs before there is any environment to install into.
"""
