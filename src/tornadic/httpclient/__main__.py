"""``python -m tornadic.httpclient``"""

from tornadic.httpclient.command import main

if __name__ == "__main__":
    main()
