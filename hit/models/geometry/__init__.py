"""Where latents lie: the parts that models are composed of, for each form of the data and of the latents."""
