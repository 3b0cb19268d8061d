"""The models of the Flask application that movie-bag grew from, by the library that it uses: MongoEngine.

    flask_models.py URI write HASH     makes accounts with this hash of a password, and movies
    flask_models.py URI read           prints all that MongoEngine reads, as JSON
    flask_models.py URI change HASH    changes a password, adds and deletes, as that application does
"""

import json
import sys

import mongoengine as db


class Movie(db.Document):
    name = db.StringField(required=True, unique=True)
    casts = db.ListField(db.StringField(), required=True)
    genres = db.ListField(db.StringField(), required=True)
    added_by = db.ReferenceField("User")


class User(db.Document):
    email = db.EmailField(required=True, unique=True)
    password = db.StringField(required=True, min_length=6)
    movies = db.ListField(db.ReferenceField("Movie", reverse_delete_rule=db.PULL))


User.register_delete_rule(Movie, "added_by", db.CASCADE)


def add_movie(user, name):
    movie = Movie(name=name, casts=["Änn"], genres=["drama"], added_by=user).save()
    user.update(push__movies=movie)
    return movie


def main(uri, what, password=None):
    db.connect(host=uri)
    if what == "write":
        ann = User(email="Ann@Example.com", password=password).save()
        User(email="bob@example.com", password=password).save()
        add_movie(ann, "The Bag")
    elif what == "change":
        bob = User.objects.get(email="bob@example.com")
        bob.password = password
        bob.save()
        add_movie(bob, "The Second Bag")
        User.objects.get(email="cid@example.com").delete()
    users = [
        {
            "email": user.email,
            "password": user.password,
            "movies": sorted(movie.name for movie in user.movies),
            "fields": list(user.to_mongo()),
        }
        for user in User.objects.order_by("email")
    ]
    movies = [
        {"name": movie.name, "by": movie.added_by.email, "fields": list(movie.to_mongo())}
        for movie in Movie.objects.order_by("name")
    ]
    print(json.dumps({"users": users, "movies": movies}))


main(*sys.argv[1:])
