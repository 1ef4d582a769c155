"""The Frechet distance as pytorch-fid and ADM compute it, of the statistics in a .npz: seconds and value, as JSON."""
import json
import sys
import time

import numpy as np
import scipy
from scipy import linalg

statistics = np.load(sys.argv[1])
mean1, covariance1, mean2, covariance2 = (statistics[name] for name in ("mu1", "sigma1", "mu2", "sigma2"))
start = time.perf_counter()
root, _ = linalg.sqrtm(covariance1.dot(covariance2), disp=False)
distance = ((mean1 - mean2) ** 2).sum() + np.trace(covariance1) + np.trace(covariance2) - 2 * np.trace(root).real
print(json.dumps({"seconds": time.perf_counter() - start, "distance": distance, "version": scipy.__version__}))
