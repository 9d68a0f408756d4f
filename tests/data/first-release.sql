-- What the first release wrote: three readers, of whom one left, and a mailing that had begun.
BEGIN TRANSACTION;
CREATE TABLE consent (
	number INTEGER NOT NULL,
	subscriber VARCHAR(40) NOT NULL,
	what VARCHAR(20) NOT NULL,
	at DATETIME NOT NULL,
	how TEXT NOT NULL,
	PRIMARY KEY (number),
	FOREIGN KEY(subscriber) REFERENCES subscriber (id)
);
INSERT INTO "consent" VALUES(1,'ba4f658a1d30c617bd64','subscribed','2024-05-30 12:00:00.000000','test');
INSERT INTO "consent" VALUES(2,'6860bfe744e21b9cba26','subscribed','2024-05-30 12:00:00.000000','test');
INSERT INTO "consent" VALUES(3,'27b0bf1c88027a1b3c9e','subscribed','2024-05-30 12:00:00.000000','test');
INSERT INTO "consent" VALUES(4,'27b0bf1c88027a1b3c9e','unsubscribed','2024-05-30 12:00:00.000000','test');
CREATE TABLE delivery (
	mailing VARCHAR(80) NOT NULL,
	subscriber VARCHAR(40) NOT NULL,
	number INTEGER NOT NULL,
	edition VARCHAR(60) NOT NULL,
	state VARCHAR(20) NOT NULL,
	tries INTEGER NOT NULL,
	attempts INTEGER NOT NULL,
	provider VARCHAR(40) NOT NULL,
	provider_id TEXT NOT NULL,
	reason TEXT NOT NULL,
	claimed_at DATETIME,
	changed_at DATETIME NOT NULL,
	PRIMARY KEY (mailing, subscriber),
	UNIQUE (mailing, number),
	FOREIGN KEY(mailing) REFERENCES mailing (id)
);
INSERT INTO "delivery" VALUES('2024-05','27b0bf1c88027a1b3c9e',1,'everyone.en-GB','accepted',1,1,'outbox','7','250 ok','2024-05-30 12:00:00.000000','2024-05-30 12:00:00.000000');
INSERT INTO "delivery" VALUES('2024-05','ba4f658a1d30c617bd64',2,'everyone.en-GB','planned',0,0,'','','',NULL,'2024-05-30 12:00:00.000000');
INSERT INTO "delivery" VALUES('2024-05','6860bfe744e21b9cba26',3,'forces.en-GB','planned',0,0,'','','',NULL,'2024-05-30 12:00:00.000000');
CREATE TABLE mailing (
	id VARCHAR(80) NOT NULL,
	issue VARCHAR(60) NOT NULL,
	kind VARCHAR(10) NOT NULL,
	plan_digest VARCHAR(64) NOT NULL,
	started_at DATETIME NOT NULL,
	PRIMARY KEY (id)
);
INSERT INTO "mailing" VALUES('2024-05','2024-05','issue','ad2f595cc015c83b95e0be3e0849e45ee7af595a6f34f22d164af45dbdffbfef','2024-05-30 12:00:00.000000');
CREATE TABLE mailing_edition (
	mailing VARCHAR(80) NOT NULL,
	edition VARCHAR(60) NOT NULL,
	digest VARCHAR(64) NOT NULL,
	PRIMARY KEY (mailing, edition),
	FOREIGN KEY(mailing) REFERENCES mailing (id)
);
INSERT INTO "mailing_edition" VALUES('2024-05','forces.en-GB','3fff89c9cebdcd1eedfc5e4e855404231dfa4d52fb2d82ee082cf308955576dc');
INSERT INTO "mailing_edition" VALUES('2024-05','everyone.en-GB','ee50f4b62153e0d111b61946911b23f8f4290bb02f31788b9fc9bc1c6f8bf59b');
CREATE TABLE subscriber (
	id VARCHAR(40) NOT NULL,
	email VARCHAR(254) NOT NULL,
	name TEXT NOT NULL,
	language VARCHAR(20) NOT NULL,
	state VARCHAR(20) NOT NULL,
	created_at DATETIME NOT NULL,
	changed_at DATETIME NOT NULL,
	PRIMARY KEY (id),
	UNIQUE (email)
);
INSERT INTO "subscriber" VALUES('ba4f658a1d30c617bd64','ann@example.org','','','subscribed','2024-05-30 12:00:00.000000','2024-05-30 12:00:00.000000');
INSERT INTO "subscriber" VALUES('6860bfe744e21b9cba26','bob@force.example.org','','','subscribed','2024-05-30 12:00:00.000000','2024-05-30 12:00:00.000000');
INSERT INTO "subscriber" VALUES('27b0bf1c88027a1b3c9e','left@example.org','','','unsubscribed','2024-05-30 12:00:00.000000','2024-05-30 12:00:00.000000');
CREATE INDEX ix_consent_subscriber ON consent (subscriber);
CREATE INDEX delivery_next ON delivery (mailing, state, tries, number);
COMMIT;
