"""β, rates and regions of rate space, as people write them."""
