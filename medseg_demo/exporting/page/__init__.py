"""A page without a server: one HTML file of networks, samples and the viewer, which computes in the browser."""

from medseg_demo.exporting.page.networks import PageNetwork, page_network
from medseg_demo.exporting.page.page import embedded, whole_page
from medseg_demo.exporting.page.samples import PageSample, page_samples

__all__ = ["PageNetwork", "PageSample", "embedded", "page_network", "page_samples", "whole_page"]
