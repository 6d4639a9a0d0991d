"""An own application: faithful reconstructions for few nats; its model is registered as `…@economy`.

python -m analysis --extensions examples/economy_application.py --application economy
"""

from dataclasses import replace

from analysis.recommendation.applications import APPLICATIONS, application

BALANCE = application("test/psnr:1,test/rate:-0.5")

APPLICATIONS.register("economy", replace(BALANCE, text="the most faithful reconstructions for their rate"))
