"""A seeded generator of OMOP tables and genotypes, with its truth beside it.

``generate`` writes a small hospital: ``omop/`` (CSV tables, some rows broken on purpose),
``vocabulary/``, ``genotypes.vcf.gz``, ``samples.csv`` and ``truth/``. The truth is taken from the
generator's arrays before anything is written, so that it owes nothing to the readers it tests::

    from precisionchain.synthetic.generate import generate

    truth = generate("hospital/", seed=7)
    truth.domain(201826)          # rows of type 2 diabetes and everything below it

Genotypes need msprime, which is GPL-3 and comes only with ``pip install 'precisionchain[demo]'``;
``genome.py`` alone imports it, when it is called.
"""
