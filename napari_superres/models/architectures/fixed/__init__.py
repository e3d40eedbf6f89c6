"""Parts of networks that are not learnt.

``evidence``  flattens what a network draws where its image shows nothing but noise
``parallax``  finds what a second view shows of each pixel of the first
"""
