"""What the page (:mod:`upperbodyseg.demo`) and the service (:mod:`upperbodyseg.serve`) share."""
