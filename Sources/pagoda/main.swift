import PagodaCLI
